"""Passwords, throttling and the user directory."""
