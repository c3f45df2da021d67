// Speaks a sentence over gRPC with the generated Go stubs, and prints what came back as JSON.
//
// Usage: client HOST:PORT TOKEN
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	ttsv1 "media.internal/gen/media/tts/v1"
)

const callSeconds = 60

type speech struct {
	Voices      int    `json:"voices"`
	ContentType string `json:"contentType"`
	AudioBytes  int64  `json:"audioBytes"`
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: client HOST:PORT TOKEN")
	}
	found, err := speak(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func speak(target, token string) (found speech, err error) {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return found, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callSeconds*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	client := ttsv1.NewTextToSpeechServiceClient(connection)

	voices, err := client.ListVoices(ctx, &ttsv1.ListVoicesRequest{})
	if err != nil {
		return found, err
	}
	found.Voices = len(voices.Voices)

	stream, err := client.SynthesizeStream(ctx, &ttsv1.SynthesizeStreamRequest{Text: "Hello from Go.", Voice: "Aria"})
	if err != nil {
		return found, err
	}
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			// A stream without `done` was cut, and AudioBytes is 0.
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if header := event.GetHeader(); header != nil {
			found.ContentType = header.ContentType
		}
		if done := event.GetDone(); done != nil {
			found.AudioBytes = done.AudioBytes
		}
	}
}
