"""What may be asked of the service, a file per subject: the request, what is promised, and what then stands."""
