"""What users and store authors need for their tests: fake clock, conformance kit."""
