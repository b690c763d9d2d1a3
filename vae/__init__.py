"""Variational autoencoders: networks, losses, data, training. Knows nothing of sweeps.

A trial's way through the modules and packages. An import, but for types alone, never goes from one
to another below it in this list; `tests/test_layering.py` holds it to that.

    errors, randomness                     what everybody needs
    components                             what a name in an experiment file stands for: built in,
                                           or the user's own code, with its options and its digest
    data                                   images: from files of any kind to arrays decoded once
    resolution, consistency, configuration
                                           what determines a trial's numbers, and its identity
    distributions, layers, encoders, decoders, losses, objectives, transforms, model
                                           the autoencoder itself
    splits                                 what a trial trains, validates and tests on
    evaluation                             return, yardstick, diagnostics, pictures
    optimizer, schedules, training, checkpoints
                                           how weights move, and how a training is taken up again
    rehearsal                              the user's own components tried before a sweep
    archive                                a trained model as two small files
"""
