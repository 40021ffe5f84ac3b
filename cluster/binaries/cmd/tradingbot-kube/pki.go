package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pkiRequest is what `tradingbot-kube pki` reads from its standard input.
type pkiRequest struct {
	Directory    string        `json:"directory"`
	Days         int           `json:"days"`
	Certificates []certificate `json:"certificates"`
	KeyPairs     []string      `json:"keyPairs"`
}

// certificate is one leaf, signed by the cluster's certificate authority.
type certificate struct {
	Name          string   `json:"name"`
	CommonName    string   `json:"commonName"`
	Organizations []string `json:"organizations"`
	Hosts         []string `json:"hosts"`
	Server        bool     `json:"server"`
}

// runPKI writes the cluster's certificates and keys. An existing authority and existing key pairs are kept, leaves
// are written anew: the caller asks only when something is missing or has changed.
func runPKI() int {
	if err := writePKI(); err != nil {
		fmt.Fprintf(os.Stderr, "pki: %v\n", err)
		return 1
	}
	return 0
}

func writePKI() error {
	var request pkiRequest
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if err := os.MkdirAll(request.Directory, 0o700); err != nil {
		return err
	}
	until := time.Now().AddDate(0, 0, request.Days)
	authority, authorityKey, err := loadOrCreateAuthority(request.Directory, until)
	if err != nil {
		return err
	}
	for _, leaf := range request.Certificates {
		if err := writeLeaf(request.Directory, leaf, authority, authorityKey, until); err != nil {
			return fmt.Errorf("%s: %w", leaf.Name, err)
		}
	}
	for _, name := range request.KeyPairs {
		if err := writeKeyPair(request.Directory, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func loadOrCreateAuthority(directory string, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certificatePath, keyPath := filepath.Join(directory, "ca.crt"), filepath.Join(directory, "ca.key")
	certificatePEM, certificateErr := os.ReadFile(certificatePath)
	keyPEM, keyErr := os.ReadFile(keyPath)
	if certificateErr == nil && keyErr == nil {
		return parseAuthority(certificatePEM, keyPEM)
	}
	for _, err := range []error{certificateErr, keyErr} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "tradingbot-development-cluster"},
		NotAfter:              until,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := sign(template, template, key, key)
	if err != nil {
		return nil, nil, err
	}
	if err := writeKey(keyPath, key); err != nil {
		return nil, nil, err
	}
	if err := writePEM(certificatePath, "CERTIFICATE", der, 0o644); err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return parsed, key, err
}

func parseAuthority(certificatePEM, keyPEM []byte) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certificateBlock, _ := pem.Decode(certificatePEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certificateBlock == nil || keyBlock == nil {
		return nil, nil, errors.New("ca.crt or ca.key is not PEM")
	}
	parsed, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return parsed, key, err
}

func writeLeaf(
	directory string, leaf certificate, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey, until time.Time,
) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organizations},
		NotAfter:    until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if leaf.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range leaf.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := sign(template, authority, key, authorityKey)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(directory, leaf.Name+".key"), key); err != nil {
		return err
	}
	return writePEM(filepath.Join(directory, leaf.Name+".crt"), "CERTIFICATE", der, 0o644)
}

func writeKeyPair(directory, name string) error {
	keyPath := filepath.Join(directory, name+".key")
	if _, err := os.Stat(keyPath); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(directory, name+".pub"), "PUBLIC KEY", der, 0o644); err != nil {
		return err
	}
	return writeKey(keyPath, key)
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	return x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

// writePEM replaces the file as a whole, so that a process that ends half-way leaves no torn certificate.
func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	var content bytes.Buffer
	if err := pem.Encode(&content, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content.Bytes(), mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
