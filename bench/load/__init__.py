"""The load generators: wrk at full speed, and requests at a steady pace that does not depend on the answers."""
