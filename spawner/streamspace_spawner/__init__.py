"""What the hub loads: the spawner mixin with all session logic, and thin spawners on it."""
