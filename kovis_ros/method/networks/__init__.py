"""The networks of KOVIS: Encoder, Decoder, Servo and the Network that joins them."""

from kovis_ros.method.networks.decoder import CLASSES, Decoder, Reconstruction
from kovis_ros.method.networks.encoder import Encoder
from kovis_ros.method.networks.network import Network, Output
from kovis_ros.method.networks.servo import Prediction, Servo

__all__ = ["CLASSES", "Decoder", "Encoder", "Network", "Output", "Prediction", "Reconstruction", "Servo"]
