"""Does speculative decoding pay on this workload, at this batch size?"""
