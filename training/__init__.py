"""The recipe of the bundled static model: parallel text in, model folder out.

`python -m training --help` lists the steps. Needs the extra `train` (PyTorch);
nothing here is part of the wheel, and the model is used without any of it.
"""
