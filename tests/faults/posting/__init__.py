"""Posts under faults: platforms to post to, users who post, and the judge who looks at the platforms."""
