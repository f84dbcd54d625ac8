"""StyleSwin (Zhang et al. 2022, CVPR; arXiv 2021) as a stylizer.

The generator makes pictures out of noise. Here its last layers are an AdaIN decoder instead: features of a photo take
the place of what the earlier layers would have grown, and statistics of a painting that of the noise. The other way, an
encoder that finds the latent of a photo, loses the photo: 512 numbers hold a face, not any scene.

    attention                double attention over windows, and the blocks
    generator                the generator in the official layout
    wavelet_discriminator    what it is trained against
    stylizer                 photo and painting in the place of constant and noise
    training                 trains a stylizer
"""

from __future__ import annotations

from distill.teachers.styleswin.stylizer import StyleSwinTeacher, load

__all__ = ["StyleSwinTeacher", "load"]
