"""Certificates: read, checked and made."""
