"""An S3 server for tests: moto, with a bucket `pi-backups` and one user. Prints its address and the user's key, and ends with stdin.

Keys and signatures are checked, which moto does only after so many requests."""

import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import json  # noqa: E402

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"


def client(service):
    keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
    return boto3.client(service, endpoint_url=address, region_name="us-east-1", **keys)


allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
client("s3").create_bucket(Bucket="pi-backups")
client("iam").create_user(UserName="pirun")
policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
client("iam").put_user_policy(UserName="pirun", PolicyName="s3", PolicyDocument=policy)
key = client("iam").create_access_key(UserName="pirun")["AccessKey"]
print(address, key["AccessKeyId"], key["SecretAccessKey"], flush=True)
sys.stdin.read()
server.stop()
