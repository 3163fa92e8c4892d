"""What every request passes: the parts that watch."""
