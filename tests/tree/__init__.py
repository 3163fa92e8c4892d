"""The files: uploads, copies, confinement, mounts and what is hidden."""
