"""Text in, text out: cookies, signatures, origins, and the one place that builds a Set-Cookie."""
