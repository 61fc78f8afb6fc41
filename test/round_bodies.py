"""Bodies without a flat side, as meshes in metres."""

import trimesh

ROUND = {
    "sphere": trimesh.creation.icosphere(4, 0.030),
    "capsule": trimesh.creation.capsule(0.045, 0.012, count=[32, 32]),
    "torus": trimesh.creation.torus(0.026, 0.010, major_sections=32, minor_sections=16),  # its hole is 32 mm wide
}
