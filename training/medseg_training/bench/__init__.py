"""How fast training is here: ours, MONAI and nnU-Net v2 side by side, each a process of its own.

Nothing is imported here, and `request`, `serve`, `window`, `phantoms` and `nnunet_side` need nothing but torch and
numpy: they also run in an environment that has nnU-Net and nothing of ours installed.
"""
