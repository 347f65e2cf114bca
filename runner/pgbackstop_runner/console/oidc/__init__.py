"""Single sign-on: people come from an OpenID Connect provider, whose every answer is checked and bounded."""
