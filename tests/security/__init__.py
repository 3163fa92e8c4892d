"""One module a vulnerability class: what an attacker tries, and that nothing comes of it."""
