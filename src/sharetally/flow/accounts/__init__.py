"""Connected accounts: connecting, using, refreshing and giving back the permission to post for a user."""
