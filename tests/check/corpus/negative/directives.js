app.directive("gauge", function (socket) {
  return {
    link: function (scope, element) {
      const turn = (value) => element.css("rotate", value);
      socket.on("pressure", turn);
      scope.$on("$destroy", () => socket.removeListener("pressure", turn));
    },
  };
});

app.component("berths", {
  controller: function (socket) {
    const harbour = this;
    const moor = (ship) => harbour.ships.push(ship);
    harbour.$onInit = () => socket.on("moored", moor);
    harbour.$onDestroy = () => socket.off("moored", moor);
  },
});

// What a visitor does makes the client, and not the visit.
app.controller("GateCtrl", function ($scope, Gate) {
  $scope.enter = function () {
    $scope.socket = Gate.open();
    $scope.socket.on("connect", () => $scope.go("/quay"));
  };
});
