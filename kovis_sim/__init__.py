"""The simulated cell: scene, robot, camera, roll-outs and closed-loop evaluation; PyBullet, headless."""
