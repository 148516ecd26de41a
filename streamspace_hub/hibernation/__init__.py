"""Who sleeps when: the decision (pure), and a round of it over all sessions. What carries it out is the service's."""
