"""Signing in through a real OpenID provider: oidc-provider from npm, run by node."""
