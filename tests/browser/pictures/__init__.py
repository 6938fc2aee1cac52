"""Pictures of pages for the documentation: narrow and wide, light and dark. `make pictures` takes new ones."""
