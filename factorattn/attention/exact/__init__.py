"""All pairs, exactly: softmax attention and the options that every exact computation shares."""
