"""The same cases for every Tree and every State."""
