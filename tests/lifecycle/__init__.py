"""What asset managers ask of the life of devices, where no store matters, and the commands that answer."""
