"""The stand-alone server."""
