"""What each path does, a file for each thing there is."""
