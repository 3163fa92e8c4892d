"""The pure rooms: one module a source module, and what hostile input may cost."""
