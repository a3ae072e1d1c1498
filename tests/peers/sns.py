"""moto's SNS signs notifications as AWS does (signature version 2); nobody is called, nothing leaves this process."""

import sys
from pathlib import Path

# Behind the packages; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import json
import os

os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3
import moto.sns.models as sns
from cases import CHANCE, flipped, words
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

TAMPERED = ["Message", "MessageId", "Timestamp", "TopicArn", "Signature"]
posted = []
sns.requests.post = lambda url, json, **_: posted.append(json)

with mock_aws():
    client = boto3.client("sns")
    topic = client.create_topic(Name="sms-inbound")["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://gw.example.com/webhooks/main/token")
    for turn in range(12):
        text = {"originationNumber": "+15555550123", "inboundMessageId": str(turn), "messageBody": words()}
        client.publish(TopicArn=topic, Message=json.dumps(text, ensure_ascii=CHANCE.random() < 0.5))
    certificates = sns.sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]._message_public_keys
    for turn, told in enumerate(posted):
        name = told["SigningCertURL"].rsplit("/", 1)[1]
        sound = turn % 2 == 0
        if not sound:
            field = CHANCE.choice(TAMPERED)
            told[field] = flipped(told[field])
        print(json.dumps({
            "good": sound, "topic": topic, "body": json.dumps(told), "url": told["SigningCertURL"],
            "certificate": certificates[name].decode(),
        }))
