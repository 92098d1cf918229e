"""How long brickloop takes, beside a floor or a peer measured in the same minute."""
