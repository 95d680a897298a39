"""Over-the-air aggregation in Flower: :class:`OverTheAir` is a strategy, :func:`client_app` a client app for it.

    server  --  global model w, round t, device m  -->  client
    client  --  its trained model w_m, mean loss   -->  server:   w~_m = w_m - w,   r = sum_m w~_m + z

The strategy takes the place of FedAvg in an existing Flower app, whose clients go on sending what Flower's own do: one
ArrayRecord with the state dict of the trained model, and one MetricRecord with ``train_loss``. **A device that replies
with an error, late, or without one of these has dropped out of the round**; one with other tensors, or with NaN among
them, is refused (:func:`analognn.federated.uplink.admit`). The medium is simulated at the server.

Local training and aggregation are those of :func:`analognn.federated.play_round`: from the same seed both give the same
global model, bit for bit, where both compute on as many PyTorch threads.
"""

import importlib.util

if importlib.util.find_spec("flwr") is None:
    raise ModuleNotFoundError(
        "`analognn.federated.flower` needs Flower: pip install 'analognn[federated]'.", name="flwr"
    )

from analognn.federated.flower.client import Local, client_app
from analognn.federated.flower.strategy import OverTheAir

__all__ = ["Local", "OverTheAir", "client_app"]
