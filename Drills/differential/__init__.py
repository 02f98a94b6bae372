"""What D21 needs: requests, the other proxies, and why they may differ."""
