"""What is shipped into notebooks: standard library only, nothing of brickloop's other rooms."""
