"""Values and decisions: no clock, no entropy, no I/O."""
