"""A Flower app that trains over the air."""
