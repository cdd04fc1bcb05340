"""What writes committed files anew from the code; tests say when one of them is stale."""
