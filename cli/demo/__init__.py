"""`kreisfunk demo`: plays the main job on a system of its own and compares both sides' books."""
