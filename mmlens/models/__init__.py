"""How each family of models is loaded, fed and run."""
