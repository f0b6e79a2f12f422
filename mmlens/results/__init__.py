"""What comes out: arrays in picture coordinates, and how they show themselves. numpy alone."""
