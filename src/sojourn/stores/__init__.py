"""Who performs the operations."""
