"""What makes load: wrk as fast as it goes, and requests at a steady pace whatever the answers do."""
