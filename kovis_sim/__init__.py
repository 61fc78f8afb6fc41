"""The simulated cell: scene, camera, arm controller."""
