"""Other servers in front of ours, with the examples of `config/` as their settings."""
