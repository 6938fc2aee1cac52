"""What the service serves to people and browsers: documents, problem pages, the widget and the console."""
