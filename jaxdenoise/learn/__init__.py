"""Learning: from a folder of images to a trained denoiser or segmenter.

Needs the extra `learn`: `pip install 'jaxdenoise[learn]'`.
"""

from jaxdenoise.learn.folders import split_folders as split_folders
