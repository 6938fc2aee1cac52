"""The possible requests, one file per subject: the request, what is promised, and the state afterwards."""
