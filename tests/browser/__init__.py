"""What people see, as they see it: pages in a real browser, on a service that runs as a process of its own."""
