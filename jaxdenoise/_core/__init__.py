"""What every denoiser stands on: checks, planes, safe numerics, the window scan."""
